BEGIN TRANSACTION;
CREATE TABLE access_events (
	id INTEGER NOT NULL, 
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	stream VARCHAR(8) NOT NULL, 
	generation VARCHAR(64) NOT NULL, 
	sequence BIGINT NOT NULL, 
	position INTEGER NOT NULL, 
	time_ms BIGINT NOT NULL, 
	device VARCHAR(256) NOT NULL, 
	door INTEGER, 
	place VARCHAR(256) NOT NULL, 
	pseudonym VARCHAR(64), 
	class_id VARCHAR(64), 
	clock INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (school, gateway, stream, generation, sequence, position)
);
INSERT INTO "access_events" VALUES(1,'example-primary','gw-1','urgent','g1',1,1,1788220862500,'gate-1',2,'gate/east','7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2',0);
CREATE TABLE account_audit (
	id INTEGER NOT NULL, 
	at_ms BIGINT NOT NULL, 
	actor VARCHAR(64) NOT NULL, 
	action VARCHAR(32) NOT NULL, 
	subject VARCHAR(130) NOT NULL, 
	detail VARCHAR(500) NOT NULL, 
	link BLOB NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE accounts (
	id INTEGER NOT NULL, 
	username VARCHAR(64) NOT NULL, 
	display_name VARCHAR(120) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	schools VARCHAR(4000), 
	classes VARCHAR(4000), 
	password VARCHAR(200), 
	totp_secret BLOB, 
	totp_step BIGINT, 
	oidc_subject VARCHAR(520), 
	state VARCHAR(16) NOT NULL, 
	must_change BOOLEAN NOT NULL, 
	failures INTEGER NOT NULL, 
	locked_until_ms BIGINT, 
	created_ms BIGINT NOT NULL, 
	changed_ms BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (username), 
	UNIQUE (oidc_subject)
);
INSERT INTO "accounts" VALUES(1,'zhang','示例','admin',NULL,NULL,NULL,X'000179B4DE6C801A1CC09E8F36A443634CE1FEAFDA41BB68908976FA909CE3B95D12',NULL,NULL,'active',0,0,NULL,1788220862500,1788220862500);
INSERT INTO "accounts" VALUES(2,'li','示例','class_teacher',NULL,'["3-2"]',NULL,NULL,NULL,NULL,'active',0,0,NULL,1788220862500,1788220862500);
INSERT INTO "accounts" VALUES(3,'wang','示例','class_teacher','["other-example"]','["3-2","4/1"]',NULL,NULL,NULL,NULL,'active',0,0,NULL,1788220862500,1788220862500);
INSERT INTO "accounts" VALUES(4,'zhao','示例','class_teacher',NULL,NULL,NULL,NULL,NULL,NULL,'active',0,0,NULL,1788220862500,1788220862500);
CREATE TABLE alerts (
	id INTEGER NOT NULL, 
	cause VARCHAR(300) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	device VARCHAR(256), 
	place VARCHAR(256) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	opened_ms BIGINT NOT NULL, 
	pseudonym VARCHAR(64), 
	class_id VARCHAR(64), 
	site VARCHAR(16), 
	value BLOB, 
	unit VARCHAR(16) NOT NULL, 
	"limit" FLOAT, 
	doubtful BOOLEAN NOT NULL, 
	acknowledged_ms BIGINT, 
	acknowledged_by VARCHAR(64), 
	record_type VARCHAR(32), 
	PRIMARY KEY (id), 
	UNIQUE (cause)
);
INSERT INTO "alerts" VALUES(1,'c','fever','open','example-primary','gw-1','station-gate','gate/east',1788220862500,1788220862500,'7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2','forehead',X'000192A70ADB98C95DEF5E0DBDD23990FBC16F3396562111E4B05C7F3EF33AAE802AE2A868FF','Cel',37.3,0,NULL,NULL,'morning_check');
INSERT INTO "alerts" VALUES(2,'d','fever','open','example-primary','gw-1','station-gate','gate/east',1788220862500,1788220862500,NULL,NULL,'forehead',NULL,'Cel',37.3,0,NULL,NULL,'morning_check');
INSERT INTO "alerts" VALUES(3,'e','panic','open','example-primary','gw-1',NULL,'gate/east',1788220862500,1788220862500,'7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2','forehead',X'00015B22E763C133AD9061007510D6CC0A5AD4C49E85C89D2F5D49F1F53FDB8F0C937C57089F','Cel',37.3,0,NULL,NULL,'safety_event');
CREATE TABLE api_tokens (
	id INTEGER NOT NULL, 
	account BIGINT NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	scopes VARCHAR(1000) NOT NULL, 
	digest BLOB NOT NULL, 
	created_ms BIGINT NOT NULL, 
	expires_ms BIGINT NOT NULL, 
	used_ms BIGINT, 
	revoked_ms BIGINT, 
	PRIMARY KEY (id), 
	UNIQUE (digest)
);
CREATE TABLE class_lists (
	class_id VARCHAR(64) NOT NULL, 
	zh VARCHAR(256) NOT NULL, 
	en VARCHAR(256) NOT NULL, 
	size INTEGER NOT NULL, 
	PRIMARY KEY (class_id)
);
CREATE TABLE class_pseudonyms (
	pseudonym VARCHAR(64) NOT NULL, 
	class_id VARCHAR(64) NOT NULL, 
	PRIMARY KEY (pseudonym)
);
INSERT INTO "class_pseudonyms" VALUES('7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2');
CREATE TABLE configuration_states (
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	running INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	refused INTEGER, 
	reason VARCHAR(1000), 
	reported_ms BIGINT NOT NULL, 
	PRIMARY KEY (school, gateway)
);
CREATE TABLE dead_letters (
	id INTEGER NOT NULL, 
	at_ms BIGINT NOT NULL, 
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	reason VARCHAR(32) NOT NULL, 
	detail VARCHAR(256) NOT NULL, 
	size_bytes INTEGER NOT NULL, 
	envelope BLOB NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "dead_letters" VALUES(1,1788220862500,'example-primary','gw-1','r','d',10,X'00019C8B26E1FBF18EBC2F06DF7DB6184C903BF274E3901D741DCFA6CE302AB9F92CBCAFBF7CEE5A');
CREATE TABLE enrolment_failures (
	id INTEGER NOT NULL, 
	at_ms BIGINT NOT NULL, 
	address VARCHAR(45) NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE erased_pseudonyms (
	pseudonym VARCHAR(64) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	until_ms BIGINT, 
	PRIMARY KEY (pseudonym)
);
INSERT INTO "erased_pseudonyms" VALUES('E1GFD6BC4ZW8TR5HQ2AXP9M3K7',1,NULL);
CREATE TABLE gaps (
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	stream VARCHAR(8) NOT NULL, 
	generation VARCHAR(64) NOT NULL, 
	first BIGINT NOT NULL, 
	last BIGINT NOT NULL, 
	reason VARCHAR(16) NOT NULL, 
	readings BIGINT NOT NULL, 
	UNIQUE (school, gateway, stream, generation, first, last, reason)
);
CREATE TABLE gateway_certificates (
	serial VARCHAR(40) NOT NULL, 
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	certificate BLOB NOT NULL, 
	issued_ms BIGINT NOT NULL, 
	not_after_ms BIGINT NOT NULL, 
	revoked_ms BIGINT, 
	PRIMARY KEY (serial), 
	UNIQUE (fingerprint)
);
CREATE TABLE gateway_configurations (
	id INTEGER NOT NULL, 
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	version INTEGER NOT NULL, 
	sections BLOB NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	note VARCHAR(200) NOT NULL, 
	made_by VARCHAR(64) NOT NULL, 
	made_ms BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (school, gateway, version)
);
INSERT INTO "gateway_configurations" VALUES(1,'example-primary','gw-1',1,X'00016520E4C9934D58A6CC171D7765C4EBFD92A82ADB299F7DACC37E552389267C390AC4B51B','d','','zhang',1788220862500);
CREATE TABLE gateway_keys (
	key_id VARCHAR(16) NOT NULL, 
	public_key VARCHAR(44) NOT NULL, 
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	until_ms BIGINT NOT NULL, 
	PRIMARY KEY (key_id)
);
CREATE TABLE gateways (
	school VARCHAR(63) NOT NULL, 
	id VARCHAR(63) NOT NULL, 
	public_key VARCHAR(44) NOT NULL, 
	key_id VARCHAR(16) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	added_ms BIGINT NOT NULL, 
	revoked_ms BIGINT, 
	PRIMARY KEY (school, id), 
	UNIQUE (key_id)
);
INSERT INTO "gateways" VALUES('example-primary','gw-1','AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=','0000000000000001','active',1788220862500,NULL);
CREATE TABLE heart_rate_windows (
	id INTEGER NOT NULL, 
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	stream VARCHAR(8) NOT NULL, 
	generation VARCHAR(64) NOT NULL, 
	sequence BIGINT NOT NULL, 
	position INTEGER NOT NULL, 
	time_ms BIGINT NOT NULL, 
	mean_bpm BLOB NOT NULL, 
	min_bpm BLOB NOT NULL, 
	max_bpm BLOB NOT NULL, 
	samples INTEGER NOT NULL, 
	contact FLOAT, 
	above_limit_s BLOB, 
	place VARCHAR(256) NOT NULL, 
	pseudonym VARCHAR(64), 
	class_id VARCHAR(64), 
	clock INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (school, gateway, stream, generation, sequence, position)
);
INSERT INTO "heart_rate_windows" VALUES(1,'example-primary','gw-1','urgent','g1',1,2,1788220862500,X'00013F6595D86EFFC03E75CB4C59A7959835D7D53C9B17F1A4D9F4C72FBFCB35397C8D33A732',X'0001179C67459F94FE331516FB05740653C492B26ED59C7DE3892D102103BC0471DD876353EB',X'0001E1AE0B42F9452B7E0D1132F50F8687E8C6F324C41ED324E984AD3181AA5EFBC52C3D379D',15,0.9,X'00012D077F0B8F896A46B78A4B2E4D4A58E8B5B68B8933E34807443872901A3E87A3497EE207','sports','7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2',0);
CREATE TABLE invitations (
	id INTEGER NOT NULL, 
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	code_key BLOB NOT NULL, 
	replaces BOOLEAN NOT NULL, 
	made_by VARCHAR(64) NOT NULL, 
	made_ms BIGINT NOT NULL, 
	expires_ms BIGINT NOT NULL, 
	used_ms BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "invitations" VALUES(1,'example-primary','gw-2',X'000133A3934B6EF2A4C251046723B236425BDA5282D2A93119AA05F593847F62DCF3',0,'zhang',1788220862500,1788220862500,NULL);
CREATE TABLE lessons (
	class_id VARCHAR(64) NOT NULL, 
	start_ms BIGINT NOT NULL, 
	end_ms BIGINT NOT NULL, 
	subject VARCHAR(64) NOT NULL, 
	place VARCHAR(256) NOT NULL
);
CREATE TABLE meal_records (
	id INTEGER NOT NULL, 
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	stream VARCHAR(8) NOT NULL, 
	generation VARCHAR(64) NOT NULL, 
	sequence BIGINT NOT NULL, 
	position INTEGER NOT NULL, 
	time_ms BIGINT NOT NULL, 
	device VARCHAR(256) NOT NULL, 
	meal VARCHAR(16) NOT NULL, 
	mass_g BLOB, 
	place VARCHAR(256) NOT NULL, 
	pseudonym VARCHAR(64), 
	class_id VARCHAR(64), 
	clock INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (school, gateway, stream, generation, sequence, position)
);
INSERT INTO "meal_records" VALUES(1,'example-primary','gw-1','urgent','g1',1,3,1788220862500,'counter-1','lunch',X'0001FF8F64FC820D7080AE4EC2BAF5A0CCAD2BC43C9040E1FB67DA3D14DC8246ADAFA4D1F0D2','canteen/1','7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2',0);
CREATE TABLE morning_checks (
	id INTEGER NOT NULL, 
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	stream VARCHAR(8) NOT NULL, 
	generation VARCHAR(64) NOT NULL, 
	sequence BIGINT NOT NULL, 
	position INTEGER NOT NULL, 
	time_ms BIGINT NOT NULL, 
	device VARCHAR(256) NOT NULL, 
	site VARCHAR(16) NOT NULL, 
	temperature_c BLOB NOT NULL, 
	ambient_c FLOAT, 
	symptoms BLOB NOT NULL, 
	place VARCHAR(256) NOT NULL, 
	pseudonym VARCHAR(64), 
	class_id VARCHAR(64), 
	clock INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (school, gateway, stream, generation, sequence, position)
);
INSERT INTO "morning_checks" VALUES(1,'example-primary','gw-1','urgent','g1',1,0,1788220862500,'station-gate','forehead',X'0001C7804BC7821CCF13C8C96098734232FB6D6CF670CBC6AD1C218A1FEA01B2FB07CA484BE9',NULL,X'0001C98550A00ACA24B81B37CAB67E4B1BCFCB0841A131132AF43185A3B49A863FCE30A440C5D641261FB8680A8BBD3A508DD2A22BFA569B2DD045A734E85D05EA6A2ED2AC5465A90C8ACA449580883010747941F7DCB50EC437802339FC93C80E5EC9BC4E9357AC36E50FD50CC31649482849995E655A0BB4792DAB04620EF4B0F5AC26ED1EB37E5C36308BEC976D66D77F33C04E80B39D111FFA1B9E7A','gate/east','7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2',0);
CREATE TABLE notices (
	id INTEGER NOT NULL, 
	alert BIGINT NOT NULL, 
	notifier VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	tries INTEGER NOT NULL, 
	next_ms BIGINT NOT NULL, 
	done_ms BIGINT, 
	error VARCHAR(256), 
	PRIMARY KEY (id), 
	UNIQUE (alert, notifier)
);
CREATE TABLE order_reports (
	order_id VARCHAR(64) NOT NULL, 
	report BLOB NOT NULL, 
	PRIMARY KEY (order_id)
);
INSERT INTO "order_reports" VALUES('o',X'0001370A818F2279A6F3A532A24ACB65A3E87A78E6D1ED9EB28613C7C878E5B71DFC5E3E');
CREATE TABLE records_revision (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT records_revision_pkc PRIMARY KEY (version_num)
);
INSERT INTO "records_revision" VALUES('0004');
CREATE TABLE recovery_codes (
	digest BLOB NOT NULL, 
	account BIGINT NOT NULL, 
	PRIMARY KEY (digest)
);
CREATE TABLE safety_events (
	id INTEGER NOT NULL, 
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	stream VARCHAR(8) NOT NULL, 
	generation VARCHAR(64) NOT NULL, 
	sequence BIGINT NOT NULL, 
	position INTEGER NOT NULL, 
	time_ms BIGINT NOT NULL, 
	device VARCHAR(256), 
	danger VARCHAR(16) NOT NULL, 
	place VARCHAR(256) NOT NULL, 
	pseudonym VARCHAR(64), 
	class_id VARCHAR(64), 
	clock INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (school, gateway, stream, generation, sequence, position)
);
INSERT INTO "safety_events" VALUES(1,'example-primary','gw-1','urgent','g1',1,4,1788220862500,NULL,'panic','main/301','7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2',0);
CREATE TABLE school_days (
	start_ms BIGINT NOT NULL, 
	end_ms BIGINT NOT NULL
);
CREATE TABLE sealing_keys (
	generation INTEGER NOT NULL, 
	salt BLOB NOT NULL, 
	proof BLOB NOT NULL, 
	made_ms BIGINT NOT NULL, 
	PRIMARY KEY (generation)
);
INSERT INTO "sealing_keys" VALUES(1,X'547FEC4C6335BDA9693CB8EF5B2CB2C3',X'000190B3723F4EAB1F6084394A07E62C18B7A9797D7EE383237614998F71917BD9B3FF272A88E25D051B',1795671818526);
CREATE TABLE sessions (
	digest BLOB NOT NULL, 
	account BIGINT NOT NULL, 
	name VARCHAR(22) NOT NULL, 
	step VARCHAR(16) NOT NULL, 
	created_ms BIGINT NOT NULL, 
	seen_ms BIGINT NOT NULL, 
	expires_ms BIGINT NOT NULL, 
	PRIMARY KEY (digest)
);
CREATE TABLE streams (
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	stream VARCHAR(8) NOT NULL, 
	generation VARCHAR(64) NOT NULL, 
	received BLOB NOT NULL, 
	stored BLOB NOT NULL, 
	last_ms BIGINT NOT NULL, 
	PRIMARY KEY (school, gateway, stream, generation)
);
CREATE TABLE vault_directory (
	version BIGINT NOT NULL, 
	issued_ms BIGINT NOT NULL, 
	epoch VARCHAR(64) NOT NULL, 
	at_ms BIGINT NOT NULL
);
CREATE INDEX ix_morning_checks_pseudonym ON morning_checks (pseudonym);
CREATE INDEX ix_morning_checks_time_ms ON morning_checks (time_ms);
CREATE INDEX ix_access_events_time_ms ON access_events (time_ms);
CREATE INDEX ix_access_events_pseudonym ON access_events (pseudonym);
CREATE INDEX ix_heart_rate_windows_time_ms ON heart_rate_windows (time_ms);
CREATE INDEX ix_heart_rate_windows_pseudonym ON heart_rate_windows (pseudonym);
CREATE INDEX ix_meal_records_pseudonym ON meal_records (pseudonym);
CREATE INDEX ix_meal_records_time_ms ON meal_records (time_ms);
CREATE INDEX ix_safety_events_pseudonym ON safety_events (pseudonym);
CREATE INDEX ix_safety_events_time_ms ON safety_events (time_ms);
CREATE INDEX ix_alerts_state ON alerts (state);
CREATE INDEX ix_class_pseudonyms_class_id ON class_pseudonyms (class_id);
CREATE INDEX ix_lessons_class_id ON lessons (class_id);
CREATE INDEX ix_erased_pseudonyms_at_ms ON erased_pseudonyms (at_ms);
CREATE INDEX ix_enrolment_failures_at_ms ON enrolment_failures (at_ms);
CREATE INDEX ix_sessions_account ON sessions (account);
CREATE INDEX ix_recovery_codes_account ON recovery_codes (account);
CREATE INDEX ix_api_tokens_account ON api_tokens (account);
CREATE INDEX ix_account_audit_at_ms ON account_audit (at_ms);
CREATE INDEX ix_notices_state ON notices (state);
COMMIT;
