"""Read office documents and books: Word, Excel, PowerPoint, OpenDocument, EPUB, RTF."""
