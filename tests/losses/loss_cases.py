"""One case for each configuration of each loss: what the contract tests ask of all of them.

A family's file (`cases_classification.py`, ...) holds its reference, in NumPy and float64 and
written as loops, its data and its cases; `CASES` here has them all.
"""

import cases_classification
import cases_metric_learning
import cases_segmentation

FAMILIES = (cases_classification, cases_segmentation, cases_metric_learning)
CASES = [case for family in FAMILIES for case in family.CASES]
ONE_OF_EACH = list({case.loss: case for case in CASES}.values())

assert len({case.name for case in CASES}) == len(CASES), "two cases of one name"
