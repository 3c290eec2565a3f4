"""`python -m bentorank` is `bentorank`."""

from bentorank.cli import main

main()
