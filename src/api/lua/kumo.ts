import { defineModule } from '../../model/define/index.ts';
import { configFunctions } from './kumo-config.ts';
import { coreFunctions } from './kumo-core.ts';
import { deprecatedFunctions } from './kumo-deprecated.ts';
import { epochFunctions } from './kumo-epoch.ts';
import { introspectionFunctions } from './kumo-introspection.ts';
import { logHookFunctions } from './kumo-log-hooks.ts';
import { lookupFunctions } from './kumo-lookups.ts';
import { memoizeFunctions } from './kumo-memoize.ts';
import { messageFunctions } from './kumo-messages.ts';
import { settingFunctions } from './kumo-settings.ts';
import { taskFunctions } from './kumo-tasks.ts';
import { redisFunctions } from './redis.ts';

/**
 * The release of KumoMTA whose policy API this is; policies compare it as text. Our own version is
 * kumo.policy.version().
 */
const REFERENCE_VERSION = '2026.08.04-3ebc1e85';

/** The root module: `local kumo = require 'kumo'`. */
export const kumoModule = defineModule(
  'kumo',
  {
    doc: "The root of the policy API: `local kumo = require 'kumo'`.",
    values: { version: REFERENCE_VERSION },
  },
  {
    ...coreFunctions,
    ...messageFunctions,
    ...configFunctions,
    ...logHookFunctions,
    ...settingFunctions,
    ...redisFunctions,
    ...memoizeFunctions,
    ...epochFunctions,
    ...taskFunctions,
    ...lookupFunctions,
    ...introspectionFunctions,
    ...deprecatedFunctions,
  },
);
