"""The RESTful interactions of https://hl7.org/fhir/R4/http.html, one file each."""
