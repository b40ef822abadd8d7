from hypothesis import settings

settings.register_profile("cdwidget", deadline=None)  # the machine may be busy: no test fails for being slow
settings.load_profile("cdwidget")
