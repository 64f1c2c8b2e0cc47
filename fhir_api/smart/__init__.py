"""SMART App Launch 2.2 (https://hl7.org/fhir/smart-app-launch/): what an app was granted, and how it gets it."""
