"""Report an experiment: figures, tables, charts, the HTML page."""
