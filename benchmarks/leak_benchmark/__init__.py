"""The leak benchmark: planted leaks and clean worlds, put to the audit exactly as the product does.

    python -m benchmarks.leak_benchmark [--seeds 101,102,103] [--quick] [--only TEXT] [--json FILE]

A world is a small warehouse and a recipe over it. In some worlds leaks are planted, and which feature leaks is written
down; the others are clean. Nothing in a recipe or a contract says what is planted.

world.py      what a world is          catalogue.py  all of them, by name
market.py     worlds over one market   market_leaks.py, market_clean.py  their SQL
flat.py       one flat table           flat_leaks, log_leaks, fold_leaks, flat_clean, tenure  what stands in it
asking.py     the audit's answer       screens.py    what rank AUC and PPS say
tally.py      counts and tables        run.py         the command
"""
