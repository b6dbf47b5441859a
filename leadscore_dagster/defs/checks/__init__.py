"""Asset checks, one module per room: each shows what a pure gate of core/ says. The consumer asks the gate again."""
