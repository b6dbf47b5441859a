"""What a leak costs: the numbers (numbers) and the values a model would have been served with (as_known)."""

from leadscore_dagster.core.leak_cost.as_known import served_values
from leadscore_dagster.core.leak_cost.numbers import ThreeNumbers, judged_rows, three_numbers

__all__ = ["ThreeNumbers", "judged_rows", "served_values", "three_numbers"]
