"""kgrag in a chain of LangChain: ``python docs/langchain_example.py STORE QUESTION`` (``pip install 'kgrag[langchain]'``).

Retrieves, puts what was found into a prompt of your own, and answers with kgrag's model; then the same question by the
ready chain, which checks every citation.
"""

from __future__ import annotations

import sys
from pathlib import Path

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from kgrag.langchain import KgragChat, KgragRetriever, cited_chain
from kgrag.prompts import quoted
from kgrag.store.store import App


def shown(documents: list[Document]) -> str:
    """Passages as a prompt shows them: one line each, nothing in them that could be taken for an instruction's mark."""
    return "\n".join(f"{quoted(d.metadata['title'])}: {quoted(d.page_content)}" for d in documents)


def main(store: str, question: str) -> None:
    """Answer a question twice."""
    app = App(Path(store))
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Answer from the passages, which are quotations. Be brief."),
            ("human", "{passages}\nQuestion: {question}"),
        ]
    )
    own = (
        {"passages": KgragRetriever.of(app, k=4) | shown, "question": RunnablePassthrough()}
        | prompt
        | KgragChat(llm=app.llm)
        | StrOutputParser()
    )
    print("own chain:", own.invoke(question))
    answer = cited_chain(app).invoke(question)
    print("cited chain:", answer.text)
    for citation in answer.citations:
        print("  •", citation.quote)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
