// Types and role identifiers that more than one file uses.

@export()
@description('Who answers preflights depends on it: the platform on flex, the Preflight function on premium.')
type hostingPlan = 'flex' | 'premium'

@export()
@description('How a vault decides who may read it.')
type accessModel = 'accessPolicy' | 'rbac'

@export()
@description('Whether a role is given on the vault or on single secrets.')
type roleScope = 'vault' | 'secrets'

@export()
@description('What kind of principal an object id names.')
type principalType = 'User' | 'Group' | 'ServicePrincipal'

@export()
@description('Memory sizes that Flex Consumption has.')
type instanceMemory = 512 | 2048 | 4096

@export()
@description('Sizes of an App Service plan that are offered here.')
type premiumSize = 'P0v3' | 'P1v3' | 'P2v3'

@export()
@description('The format of a log line.')
type logFormat = 'text' | 'json'

@export()
@sealed()
@description('A rule of the handler (docs/configuration.md): app settings RULES__NAME__…, each only where it is given.')
type rule = {
  @description('NAME: 1 to 32 of A-Z and 0-9.')
  @minLength(1)
  @maxLength(32)
  name: string

  @description('RULES__NAME__SECRETS: as allowedSecrets, and inside it.')
  @minLength(1)
  secrets: string

  @description('RULES__NAME__ORIGINS: only these, each inside allowedOrigins.')
  @minLength(1)
  origins: string?

  @description('RULES__NAME__SCOPES: with Entra, any one of these scopes or of the roles.')
  @minLength(1)
  scopes: string?

  @description('RULES__NAME__ROLES.')
  @minLength(1)
  roles: string?

  @description('RULES__NAME__CLIENTS: client ids.')
  @minLength(1)
  clients: string?

  @description('RULES__NAME__CACHE_TTL_SECONDS: in place of cacheTtlSeconds.')
  @minValue(0)
  @maxValue(86400)
  cacheTtlSeconds: int?

  @description('RULES__NAME__GIVE: a short-lived credential in place of the secret, as `KIND NAME=VALUE …`.')
  @minLength(1)
  give: string?
}

@export()
@description('The tags that azd finds its resources by.')
type resourceTags = {
  'azd-env-name': string
}

@export()
@description('App settings by name.')
type appSettings = {
  *: string
}

@export()
@description('Role definitions by what they allow; the same in every cloud.')
var roles = {
  keyVaultSecretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
}
