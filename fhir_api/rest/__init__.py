"""The small REST face, ``/api/v1``: studies, analyses, batches and models, on the same core as ``/fhir``.

It keeps no state of its own. An analysis is a Task, a batch is Tasks with one ``groupIdentifier``, a model is a
Device: whatever is done here can be read and continued over FHIR.
"""
