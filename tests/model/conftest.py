"""Fixtures of the tests of the model."""

from __future__ import annotations

import pytest

from tests.boot.harness import Images


@pytest.fixture(scope="session")
def images() -> Images:
    """The project's images."""
    return Images()
