"""The page of errors is made from the classes, and is current."""

from __future__ import annotations

import re

import pytest

from pyebpf.diag import Diagnostic
from scripts import gen_errors

CLASSES = gen_errors.diagnostics()


def test_the_page_is_current() -> None:
    assert gen_errors.PAGE.read_text(encoding="utf-8") == gen_errors.page(), (
        "run python -m scripts.gen_errors"
    )


def test_every_code_is_of_one_class() -> None:
    codes = [cls.code for cls in CLASSES]
    assert len(codes) == len(set(codes)) >= 20
    assert all(re.fullmatch(r"E\d{4}", code) for code in codes)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_class_says_what_is_wrong_and_what_is_right(cls: type[Diagnostic]) -> None:
    why, wrong, right = gen_errors.parts(cls)
    assert all(text.endswith(".") for text in (why, wrong, right))
    assert cls.title


def test_a_class_without_an_example_is_an_error() -> None:
    class Bare(Diagnostic):
        """It is wrong, but how?"""

    try:
        with pytest.raises(ValueError, match="Bare: the docstring ends in"):
            gen_errors.parts(Bare)
    finally:
        del Bare
