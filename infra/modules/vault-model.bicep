// Refuses an existing vault of the other model: what is granted there would be accepted and have no effect.

import { accessModel as accessModelType } from '../types.bicep'

param vaultName string

param accessModel accessModelType

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vaultName
}

output accessModel string = (vault.properties.?enableRbacAuthorization ?? false) == (accessModel == 'rbac')
  ? accessModel
  : fail('keyVaultAccessModel: the existing vault is of the other model, in which what is granted has no effect, and the app would answer 502. Set keyVaultAccessModel to the model of the vault')
