"""For every test: no example of a property is held against the clock, which says how busy the machine is."""

from hypothesis import settings

settings.register_profile("healthvision", deadline=None)
settings.load_profile("healthvision")
