"""Measures of retrieval, answers and probabilities, their intervals, and significance tests, as pure functions.

An undefined measure is NaN, never 0; the caller counts it.

- `ranking`: recall and reciprocal rank of ranked documents.
- `answers`: token F1 and exact match of a short answer.
- `precision_recall`: micro precision, recall and F1 over items.
- `calibration`: AUROC, Brier score, calibration error, and recalibration of probabilities.
- `intervals`: values with their 95 % intervals.
- `significance`: tests of paired differences, correction for many tests, and statistical power.
- `agreement`: agreement of two annotators beyond chance.
- `clusters`: groups of questions that must stay together in a bootstrap or a fold.
"""
