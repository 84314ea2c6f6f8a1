"""The page of errors is made from the classes, and is current."""

from __future__ import annotations

import re

import gen_errors
import pytest
from error_examples import example, refusal

from pyebpf.diag import Diagnostic
from tests import frozen

CLASSES = gen_errors.diagnostics()


def test_the_page_is_current() -> None:
    assert gen_errors.PAGE.read_text(encoding="utf-8") == gen_errors.page(), (
        "run python scripts/gen_errors.py"
    )


def test_every_code_is_of_one_class() -> None:
    codes = [cls.code for cls in CLASSES]
    assert len(codes) == len(set(codes)) >= 20
    assert all(re.fullmatch(r"E\d{4}", code) for code in codes)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_class_says_what_is_wrong_and_what_is_right(cls: type[Diagnostic]) -> None:
    why, wrong, right, is_code = example(cls)
    assert why.endswith(".")
    assert cls.title
    if not is_code:
        assert wrong.endswith(".")
        assert right.endswith(".")


WITH_CODE = [cls for cls in CLASSES if example(cls).is_code]
#: What no program of ours can show: a text that is gone, and what only a kernel says.
IN_WORDS = {"NoSource", "SourceChanged", "RefusedByVerifier"}


def test_all_but_three_have_examples_that_run() -> None:
    assert {cls.__name__ for cls in CLASSES} - {cls.__name__ for cls in WITH_CODE} == IN_WORDS


@pytest.mark.parametrize("cls", WITH_CODE, ids=lambda cls: cls.__name__)
def test_what_is_called_wrong_is_refused_for_that_alone(cls: type[Diagnostic]) -> None:
    refused = refusal(example(cls).wrong, frozen.target())
    assert refused is not None
    assert [type(found) for found in refused.diagnostics] == [cls]


@pytest.mark.parametrize("cls", WITH_CODE, ids=lambda cls: cls.__name__)
def test_what_is_called_right_compiles(cls: type[Diagnostic]) -> None:
    assert refusal(example(cls).right, frozen.target()) is None


def test_a_class_without_an_example_is_an_error() -> None:
    class Bare(Diagnostic):
        """It is wrong, but how?"""

    try:
        with pytest.raises(ValueError, match="Bare: the docstring ends in"):
            example(Bare)
    finally:
        del Bare
