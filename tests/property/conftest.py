"""A law that is broken shows the values, wherever it is written down."""

import pytest

pytest.register_assert_rewrite("tests.support.simulation.laws")
