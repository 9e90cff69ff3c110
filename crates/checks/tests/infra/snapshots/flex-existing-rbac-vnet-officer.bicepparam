using '../../../../../infra/main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param allowedSecrets = 'maps-key,search-key'
param allowedOrigins = 'https://app.contoso.com,https://admin.contoso.com'
param existingKeyVaultName = 'theirs'
param existingKeyVaultResourceGroup = 'rg-theirs'
param keyVaultAccessModel = 'rbac'
param secretsOfficerId = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'
param vnetEnabled = true
