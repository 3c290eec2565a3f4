"""Half an hour of mixed load with a few faults among it: does anything grow, slow down or fail without a reason?"""
