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
        *("test_a_scene_leaves_only_its_controls_and_forgets_what_was_set", "test_a_deck_as_a_file_needs_no_server"),
        "test_a_page_without_the_lessons_controls_shares_its_own_address",
        *("test_a_click_on_the_map_of_variants_picks_both", "test_the_five_minute_deck_is_presented_by_keyboard"),
        "test_curves_and_fields_are_drawn_read_and_picked[light]",
        "test_curves_and_fields_are_drawn_read_and_picked[dark]",
        *(
            "test_five_questions_are_answered_from_the_start_page",
            "test_a_word_is_searched_by_a_key_and_opens_its_page",
        ),
        "test_a_question_is_found_by_the_button_and_written_as_americans_do",
        "test_the_path_leads_on_and_its_ticks_survive_a_reload",
        "test_a_page_without_an_experiment_is_found_as_it_was_left",
        *("test_the_notes_window_follows_and_turns_the_scenes", "test_the_notes_window_is_for_everyone[light]"),
    )
)
MOST_UNSEEN = 20
