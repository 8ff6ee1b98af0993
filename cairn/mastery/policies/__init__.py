"""Mastery policies that districts know, exactly as published, and what each would have said of the district's history.

Start at ``rules.py``; ``compare.py`` replays a history under them.
"""
