"""What R4 4.0.1 defines, as small tables: elements, code sets, search parameters, compartments.

``r4/`` is generated and never edited: ``python -m fhir_api.definitions.generate`` writes it from the npm package
``hl7.fhir.r4.examples``. The modules here read it.
"""
