"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# Nothing is timed: on a busy machine a slow example is no bug.
settings.register_profile("codelm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("codelm")
