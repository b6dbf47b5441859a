"""What runs by itself: the switch, schedules, sensors, the runs they ask for, and how a dead run is noticed."""
