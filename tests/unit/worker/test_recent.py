"""The latest are known, the oldest are forgotten."""

from shared.worker.recent import Recent


def test_the_latest_are_known_and_the_oldest_forgotten() -> None:
    recent = Recent(capacity=2)
    for id_ in ("a", "b", "a", "c"):
        recent.add(id_)

    assert [id_ in recent for id_ in ("a", "b", "c")] == [True, False, True]
