"""For unittest without pytest: async test cases in virtual time.

Under pytest no base class is needed: `pytest --faultloop=run` takes unittest's own.
"""
