using '../../../../../infra/main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param allowedSecrets = 'maps-key,search-key'
param allowedOrigins = 'https://app.contoso.com,https://admin.contoso.com'
param maximumInstanceCount = 1
param alwaysReadyInstanceCount = 3
param instanceMemoryMB = 512
param allowCredentials = true
