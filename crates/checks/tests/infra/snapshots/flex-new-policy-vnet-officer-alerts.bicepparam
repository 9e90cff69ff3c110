using '../../../../../infra/main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param allowedSecrets = 'maps-key,search-key'
param allowedOrigins = 'https://app.contoso.com,https://admin.contoso.com'
param vnetEnabled = true
param secretsOfficerId = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'
param alertEmail = 'ops@contoso.com'
