import type { ModuleDeclaration, ObjectDeclaration } from '../../model/define/index.ts';
import { addressObject } from './address.ts';
import { addressHeaderObject, headerAddressObject } from './address-header.ts';
import { configObjects } from './config-objects.ts';
import { connectionMetaObject } from './connection-meta.ts';
import { headermapObject, headerObject } from './headermap.ts';
import { httpHeadersObject, httpResponseObject } from './http-response.ts';
import { jsonlBatchObject, jsonlTailerObject } from './jsonl-tailer.ts';
import { aaaModule, accessControlListObject, accessMapObject, accessResourceObject } from './kumo.aaa.ts';
import {
  adminBounceModule,
  adminModule,
  adminSuspendModule,
  adminSuspendReadyQueueModule,
  apiModule,
} from './kumo.api.admin.ts';
import { injectModule } from './kumo.api.inject.ts';
import { counterSeriesModule, counterSeriesObject } from './kumo.counter_series.ts';
import { cryptoModule } from './kumo.crypto.ts';
import { binaryResultObject, digestModule } from './kumo.digest.ts';
import { dkimModule, dkimSignerObject } from './kumo.dkim.ts';
import { dmarcModule } from './kumo.dmarc.ts';
import { dnsModule } from './kumo.dns.ts';
import { encodeModule } from './kumo.encode.ts';
import { fileTypeModule } from './kumo.file_type.ts';
import { asyncFileObject, fsModule, pathMetadataObject } from './kumo.fs.ts';
import { httpClientObject, httpModule, httpRequestObject, websocketStreamObject } from './kumo.http.ts';
import { jsonlModule, jsonlWriterObject } from './kumo.jsonl.ts';
import { mimepartBuilderObject, mimepartModule, mimepartObject } from './kumo.mimepart.ts';
import { mpscModule, mpscQueueObject } from './kumo.mpsc.ts';
import { policyModule } from './kumo.policy.ts';
import { regexModule, regexObject } from './kumo.regex.ts';
import { secretsModule } from './kumo.secrets.ts';
import { serdeModule } from './kumo.serde.ts';
import { shapingModule, shapingObject } from './kumo.shaping.ts';
import { spfModule } from './kumo.spf.ts';
import { stringModule } from './kumo.string.ts';
import { timeDeltaObject, timeModule, timeObject, timerObject } from './kumo.time.ts';
import { kumoModule } from './kumo.ts';
import { uuidModule, uuidObject } from './kumo.uuid.ts';
import { xferModule } from './kumo.xfer.ts';
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
import { redisModule, redisObject } from './redis.ts';
import { sqliteModule, sqliteObject } from './sqlite.ts';
import { throttleObject } from './throttle.ts';

/** Everything that `require` gives to policies. */
export const luaModules: ModuleDeclaration[] = [
  kumoModule,
  aaaModule,
  apiModule,
  adminModule,
  adminBounceModule,
  adminSuspendModule,
  adminSuspendReadyQueueModule,
  injectModule,
  counterSeriesModule,
  cryptoModule,
  digestModule,
  encodeModule,
  fileTypeModule,
  fsModule,
  jsonlModule,
  mpscModule,
  httpModule,
  redisModule,
  secretsModule,
  sqliteModule,
  uuidModule,
  cidrModule,
  dkimModule,
  dmarcModule,
  dnsModule,
  domainMapModule,
  mimepartModule,
  policyModule,
  regexModule,
  regexSetMapModule,
  serdeModule,
  shapingModule,
  spfModule,
  stringModule,
  timeModule,
  xferModule,
];

/** Every class of object that policies hold. */
export const luaObjects: ObjectDeclaration[] = [
  messageObject,
  accessControlListObject,
  accessMapObject,
  accessResourceObject,
  addressObject,
  addressHeaderObject,
  headerAddressObject,
  mimepartObject,
  mimepartBuilderObject,
  headermapObject,
  headerObject,
  connectionMetaObject,
  throttleObject,
  timeObject,
  timeDeltaObject,
  timerObject,
  asyncFileObject,
  binaryResultObject,
  cidrMapObject,
  dkimSignerObject,
  domainMapObject,
  counterSeriesObject,
  httpClientObject,
  httpHeadersObject,
  httpRequestObject,
  httpResponseObject,
  websocketStreamObject,
  pathMetadataObject,
  redisObject,
  sqliteObject,
  uuidObject,
  memoizedTableObject,
  jsonlWriterObject,
  jsonlTailerObject,
  jsonlBatchObject,
  mpscQueueObject,
  regexObject,
  regexSetMapObject,
  shapingObject,
  ...configObjects,
];
