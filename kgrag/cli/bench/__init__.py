"""The commands of `kgrag bench`."""

from __future__ import annotations

import typer

from kgrag.cli.bench.answers import bench_answers
from kgrag.cli.bench.components import bench_ingest, bench_linking
from kgrag.cli.bench.extraction import bench_extraction, bench_paths, bench_relations
from kgrag.cli.bench.injections import bench_injections
from kgrag.cli.bench.judge import bench_judge, bench_judge_set, bench_judge_train
from kgrag.cli.bench.llm import bench_llm
from kgrag.cli.bench.manuals import bench_manuals
from kgrag.cli.bench.neo4j import bench_server
from kgrag.cli.bench.ranker import bench_ranker
from kgrag.cli.bench.retrieval import bench_retrieval
from kgrag.cli.bench.retrieval_table import bench_compare, bench_table
from kgrag.cli.bench.scale import bench_scale
from kgrag.cli.bench.sentence_selection import bench_sentences
from kgrag.cli.bench.training import bench_reader_data, bench_tune

bench = typer.Typer(
    suggest_commands=False,
    help="Benchmark retrieval, answers and components, with 95 % intervals.",
    no_args_is_help=True,
)
bench.command("retrieval")(bench_retrieval)
bench.command("answers")(bench_answers)
bench.command("manuals")(bench_manuals)
bench.command("injections")(bench_injections)
bench.command("table")(bench_table)
bench.command("compare")(bench_compare)
bench.command("linking")(bench_linking)
bench.command("ingest")(bench_ingest)
bench.command("extraction")(bench_extraction)
bench.command("judge")(bench_judge)
bench.command("judge-train")(bench_judge_train)
bench.command("judge-set")(bench_judge_set)
bench.command("llm")(bench_llm)
bench.command("paths")(bench_paths)
bench.command("relations")(bench_relations)
bench.command("ranker")(bench_ranker)
bench.command("tune")(bench_tune)
bench.command("reader-data")(bench_reader_data)
bench.command("sentences")(bench_sentences)
bench.command("scale")(bench_scale)
bench.command("server")(bench_server)
