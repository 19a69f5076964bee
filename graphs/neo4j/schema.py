"""Define the constraints, indexes and version node of a Neo4j store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SCHEMA_VERSION = 1
"""Version of the data model; a store of an older version is migrated (`MIGRATIONS`)."""


@dataclass(frozen=True)
class SchemaMigration:
    """Statements that migrate a store from one version to the next.

    ``definitions`` may be repeated. Each of ``changes`` updates some thousands of rows, returns their number, and is
    repeated until it returns 0.
    """

    definitions: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


MIGRATIONS: Mapping[int, SchemaMigration] = {}
"""Maps a version to its migration to the next. A version without one is refused."""
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
# the dimensions depend on the embedder, which is known with the first passage
VECTOR_INDEX = (
    "CREATE VECTOR INDEX kgrag_vectors IF NOT EXISTS FOR (p:Passage) ON (p.embedding) "
    "OPTIONS {{indexConfig: {{`vector.dimensions`: {dimensions}, `vector.similarity_function`: 'cosine'}}}}"
)
INDEXED_DIMENSIONS = (
    "SHOW VECTOR INDEXES YIELD name, options WHERE name = 'kgrag_vectors' "
    "RETURN options.indexConfig['vector.dimensions']"
)
CREATE_STORE_NODE = "MERGE (s:Store {id: 'kgrag'}) ON CREATE SET s.version = $version, s.generation = 0, s.made = $made"
INCREMENT_VERSION = "MATCH (s:Store {id: 'kgrag', version: $version}) SET s.version = $version + 1"
FIND_STORE_NODE = "MATCH (s:Store {id: 'kgrag'}) RETURN s.version, s.made"
FIND_ANY_NODE = "MATCH (n) RETURN labels(n) LIMIT 1"
