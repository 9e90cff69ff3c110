using '../../../../../infra/main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param allowedSecrets = 'maps-key,search-key'
param allowedOrigins = 'https://*.contoso.com'
