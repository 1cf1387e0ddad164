"""Browser tests that nobody has seen pass since the stage was built anew: skipped, and to be mended. May only shrink.

Each was written for the page as it was, or is new; whether the test or the page is wrong was not found out yet.
"""

UNSEEN = frozenset(
    (
        *("test_names_in_a_file_are_words", "test_a_deck_may_emphasise_and_no_more"),
        "test_the_notes_window_talks_to_its_own_origin_only",
        "test_a_lesson_fits_the_screen_and_says_what_it_shows[four_bits]",
        "test_a_lesson_fits_the_screen_and_says_what_it_shows[ten_sentences]",
        "test_a_lesson_fits_the_screen_and_says_what_it_shows[adapter_strength]",
    )
)
MOST_UNSEEN = 6
