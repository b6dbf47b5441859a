"""``python -m benchmarks.leak_benchmark``."""

from benchmarks.leak_benchmark.run import main

if __name__ == "__main__":
    main()
