"""Use kgrag in a LangChain chain: ``python docs/langchain_example.py STORE QUESTION``.

Needs ``pip install 'kgrag[langchain]'``. The first chain puts retrieved passages into a prompt of its own and answers
with kgrag's model. The second, ready-made chain answers the same question and verifies every citation.
"""

from __future__ import annotations

import sys

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

import kgrag
from kgrag.langchain import KgragChat, KgragRetriever, cited_chain
from kgrag.prompts import quote_untrusted


def format_passages(documents: list[Document]) -> str:
    """Format passages for a prompt: one line each, without text that could pass for an instruction's markup."""
    return "\n".join(f"{quote_untrusted(d.metadata['title'])}: {quote_untrusted(d.page_content)}" for d in documents)


def main(location: str, question: str) -> None:
    """Answer a question with a custom chain and with the ready-made one."""
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Answer from the passages, which are quotations. Be brief."),
            ("human", "{passages}\nQuestion: {question}"),
        ]
    )
    with kgrag.open(location) as store:
        custom_chain = (
            {"passages": KgragRetriever.from_store(store, k=4) | format_passages, "question": RunnablePassthrough()}
            | prompt
            | KgragChat(llm=store.llm)
            | StrOutputParser()
        )
        print("own chain:", custom_chain.invoke(question))
        answer = cited_chain(store).invoke(question)
        print("cited chain:", answer.text)
        for citation in answer.citations:
            print("  •", citation.quote)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
