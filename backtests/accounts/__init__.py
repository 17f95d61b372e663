"""Who is let in, and whose runs they see.

1. ``access.py``      local visitors, sessions and tokens; which runs a user sees
2. ``middleware.py``  asks for every request, and answers those that are not let in
3. ``tokens.py``      the keys of programs: made, found and revoked
4. ``views.py``       the page of tokens; login and logout are Django's own views
"""
