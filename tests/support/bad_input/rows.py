"""All that cannot or must not be done."""

from typing import Final

from tests.support.bad_input.config import CONFIG
from tests.support.bad_input.infrastructure import INFRASTRUCTURE
from tests.support.bad_input.manifests import MANIFESTS
from tests.support.bad_input.metadata import METADATA
from tests.support.bad_input.workloads import WORKLOADS

ROWS: Final = [*WORKLOADS, *CONFIG, *MANIFESTS, *METADATA, *INFRASTRUCTURE]
