import type { ModuleDeclaration, ObjectDeclaration } from '../../model/define/index.ts';
import { addressObject } from './address.ts';
import { configObjects } from './config-objects.ts';
import { connectionMetaObject } from './connection-meta.ts';
import { dnsModule } from './kumo.dns.ts';
import { policyModule } from './kumo.policy.ts';
import { regexModule, regexObject } from './kumo.regex.ts';
import { serdeModule } from './kumo.serde.ts';
import { stringModule } from './kumo.string.ts';
import { timeDeltaObject, timeModule, timeObject } from './kumo.time.ts';
import { kumoModule } from './kumo.ts';
import { memoizedTableObject } from './kumo-memoize.ts';
import {
  cidrMapObject,
  cidrModule,
  domainMapModule,
  domainMapObject,
  regexSetMapModule,
  regexSetMapObject,
} from './maps.ts';
import { messageObject } from './message.ts';
import { throttleObject } from './throttle.ts';

/** Everything that `require` gives to policies. */
export const luaModules: ModuleDeclaration[] = [
  kumoModule,
  cidrModule,
  dnsModule,
  domainMapModule,
  policyModule,
  regexModule,
  regexSetMapModule,
  serdeModule,
  stringModule,
  timeModule,
];

/** Every class of object that policies hold. */
export const luaObjects: ObjectDeclaration[] = [
  messageObject,
  addressObject,
  connectionMetaObject,
  throttleObject,
  timeObject,
  timeDeltaObject,
  cidrMapObject,
  domainMapObject,
  memoizedTableObject,
  regexObject,
  regexSetMapObject,
  ...configObjects,
];
