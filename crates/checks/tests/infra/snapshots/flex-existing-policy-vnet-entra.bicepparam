using '../../../../../infra/main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param allowedSecrets = 'maps-key,search-key'
param allowedOrigins = 'https://app.contoso.com,https://admin.contoso.com'
param existingKeyVaultName = 'theirs'
param existingKeyVaultResourceGroup = 'rg-theirs'
param vnetEnabled = true
param entraTenantId = '99999999-8888-7777-6666-555555555555'
param entraAudience = 'api://keyvault-cors'
param entraRequiredScopes = 'secrets.read'
