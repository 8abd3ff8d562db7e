"""Who is heard changes when somebody begins or stops, not between two words."""

from stentor.stage.speaking import Speaking

LOUD, SOFT, QUIET = -20.0, -30.0, -70.0


def test_a_pause_between_words_changes_nothing() -> None:
    speaking = Speaking()
    assert speaking.hear({"ada": LOUD}, 0.0) == ("ada",)
    assert speaking.hear({"ada": QUIET}, 0.3) is None
    assert speaking.hear({"ada": LOUD}, 0.5) is None
    assert speaking.hear({"ada": QUIET}, 1.05) is None
    assert speaking.hear({"ada": QUIET}, 1.2) == ()


def test_the_loudest_comes_first() -> None:
    assert Speaking().hear({"ada": SOFT, "bob": LOUD, "eve": QUIET}, 0.0) == ("bob", "ada")


def test_changes_are_at_most_four_a_second() -> None:
    speaking, told = Speaking(), 0
    for number in range(100):
        levels = {"ada": LOUD if number % 2 else QUIET, f"p{number}": LOUD}
        told += speaking.hear(levels, number / 50) is not None
    assert 1 < told <= 9


def test_who_is_gone_is_not_heard() -> None:
    speaking = Speaking()
    assert speaking.hear({"ada": LOUD}, 0.0) == ("ada",)
    assert speaking.hear({}, 0.3) == ()
