"""Which functions of the interpreter a policy may call.

Allowed is what only computes, in a time that its arguments bound. Anything else is refused by
not being listed, also what a newer interpreter brings.
"""

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALLOWED: Final = _words(
    """
    abs ceil floor round count sum product max min sort
    concat contains startswith endswith lower upper replace split sprintf substring
    indexof indexof_n format_int to_number type_name
    trim trim_left trim_prefix trim_right trim_space trim_suffix
    strings.any_prefix_match strings.any_suffix_match strings.count strings.reverse
    is_array is_boolean is_null is_number is_object is_set is_string
    union intersection set
    array.concat array.reverse array.slice
    object.get object.keys object.remove object.filter object.union object.subset
    json.marshal units.parse units.parse_bytes semver.compare semver.is_valid
    time.add_date time.clock time.date time.diff time.weekday
    time.parse_rfc3339_ns time.parse_duration_ns
    """
)

FAMILIES: Final = _words(
    """
    array base64 base64url bits crypto ext glob graph graphql hex http internal io json
    jsonschema net numbers object opa providers rand regex rego semver strings time units
    uri urlquery uuid yaml
    """
)
"""First words of dotted functions; no policy may give them another meaning."""

OFF: Final = _words(
    """
    all and any assign cast_array cast_boolean cast_null cast_object cast_set cast_string div
    eq equal gt gte lt lte minus mul neq or plus print re_match rem set_diff trace walk
    """
)
"""Functions of one word that are not allowed, by whatever name they would be reached."""

KEYWORDS: Final = _words(
    """
    as contains default else every false if import in not null package some true with
    """
)
