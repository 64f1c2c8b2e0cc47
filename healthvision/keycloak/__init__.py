"""What HealthVision needs of a Keycloak, put there through Keycloak's own admin REST interface."""
