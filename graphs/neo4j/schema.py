"""What a store looks like in Neo4j: constraints and indexes, made once, and the mark by which a store is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SCHEMA_VERSION = 1
"""Raised when the data change their meaning; what an older program left is brought up to date (`STEPS`)."""


@dataclass(frozen=True)
class SchemaMigration:
    """How a store of one version becomes one of the next: definitions, each of which may be done again, then statements
    that change some thousands of rows at a time and return how many, done again until there are none."""

    definitions: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


MIGRATIONS: Mapping[int, SchemaMigration] = {}
"""version -> what makes it the next one. A version without a step is refused."""
SCHEMA = (
    "CREATE CONSTRAINT kgrag_store IF NOT EXISTS FOR (s:Store) REQUIRE s.id IS UNIQUE",
    "CREATE CONSTRAINT kgrag_setting IF NOT EXISTS FOR (s:Setting) REQUIRE s.key IS UNIQUE",
    "CREATE CONSTRAINT kgrag_document IF NOT EXISTS FOR (d:Document) REQUIRE d.id IS UNIQUE",
    "CREATE CONSTRAINT kgrag_passage IF NOT EXISTS FOR (p:Passage) REQUIRE p.id IS UNIQUE",
    "CREATE CONSTRAINT kgrag_entity IF NOT EXISTS FOR (e:Entity) REQUIRE e.id IS UNIQUE",
    "CREATE CONSTRAINT kgrag_source IF NOT EXISTS FOR (s:Source) REQUIRE s.id IS UNIQUE",
    "CREATE CONSTRAINT kgrag_name IF NOT EXISTS FOR (n:Name) REQUIRE n.column IS UNIQUE",
    "CREATE INDEX kgrag_passage_row IF NOT EXISTS FOR (p:Passage) ON (p.row)",
    "CREATE INDEX kgrag_document_source IF NOT EXISTS FOR (d:Document) ON (d.source)",
    "CREATE INDEX kgrag_entity_name IF NOT EXISTS FOR (e:Entity) ON (e.name)",
    "CREATE INDEX kgrag_entity_stale IF NOT EXISTS FOR (e:Entity) ON (e.stale)",
    "CREATE INDEX kgrag_fact_passage IF NOT EXISTS FOR ()-[f:FACT]-() ON (f.passage_id)",
    "CREATE INDEX kgrag_fact_predicate IF NOT EXISTS FOR ()-[f:FACT]-() ON (f.predicate)",
    "CREATE INDEX kgrag_problem_source IF NOT EXISTS FOR (p:Problem) ON (p.source)",
    "CREATE FULLTEXT INDEX kgrag_names IF NOT EXISTS FOR (e:Entity) ON EACH [e.name, e.aliases] "
    "OPTIONS {indexConfig: {`fulltext.analyzer`: 'cjk', `fulltext.eventually_consistent`: true}}",
    "CREATE FULLTEXT INDEX kgrag_passages IF NOT EXISTS FOR (p:Passage) ON EACH [p.text] "
    "OPTIONS {indexConfig: {`fulltext.analyzer`: 'cjk', `fulltext.eventually_consistent`: true}}",
)
# the dimensions are the embedder's, which is known when the first passage comes
VECTOR_INDEX = (
    "CREATE VECTOR INDEX kgrag_vectors IF NOT EXISTS FOR (p:Passage) ON (p.embedding) "
    "OPTIONS {{indexConfig: {{`vector.dimensions`: {dimensions}, `vector.similarity_function`: 'cosine'}}}}"
)
CREATE_STORE_NODE = "MERGE (s:Store {id: 'kgrag'}) ON CREATE SET s.version = $version, s.generation = 0, s.made = $made"
INCREMENT_VERSION = "MATCH (s:Store {id: 'kgrag', version: $version}) SET s.version = $version + 1"
FIND_STORE_NODE = "MATCH (s:Store {id: 'kgrag'}) RETURN s.version, s.made"
FIND_ANY_NODE = "MATCH (n) RETURN labels(n) LIMIT 1"
