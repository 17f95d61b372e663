"""How much one formula may ask for. None of these is in the way of an idea; together they bound time and memory."""

LONGEST_TEXT = 4000  # characters
MOST_WORDS = 1500  # words, numbers and signs
DEEPEST_NESTING = 40  # brackets within each other
DEEPEST_LEVELS = 100  # nots, choices, signs, powers, brackets and what names stand for, within each other
MOST_STEPS = 250  # different computations
MOST_PARTS_READ = 3000  # parts of the text, those of names as often as they are used on other bars
MOST_COLUMNS = 40  # what a screen shows of each symbol; more are left out
MOST_PARAMETERS = 20
MOST_ARGUMENTS = 16
FARTHEST_AGO = 2000  # bars that [n] and windows look back
MOST_COST = 10_000  # about how many nanoseconds all steps take for a bar
MOST_SYMBOLS = 8  # symbols that are named with symbol("...")
LARGEST_NUMBER = 1e15
