CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version VALUES(1);
CREATE TABLE gateways (
	school VARCHAR(63) NOT NULL, id VARCHAR(63) NOT NULL, public_key VARCHAR(44) NOT NULL,
	key_id VARCHAR(16) NOT NULL, state VARCHAR(16) NOT NULL, added_ms BIGINT NOT NULL, revoked_ms BIGINT,
	PRIMARY KEY (school, id), UNIQUE (key_id)
);
INSERT INTO gateways VALUES('example-primary','gw-1','cHVibGlj','01','active',1,NULL);
CREATE TABLE streams (
	school VARCHAR(63) NOT NULL, gateway VARCHAR(63) NOT NULL, stream VARCHAR(8) NOT NULL,
	generation VARCHAR(64) NOT NULL, received BLOB NOT NULL, stored BLOB NOT NULL, last_ms BIGINT NOT NULL,
	PRIMARY KEY (school, gateway, stream, generation)
);
CREATE TABLE gaps (
	school VARCHAR(63) NOT NULL, gateway VARCHAR(63) NOT NULL, stream VARCHAR(8) NOT NULL,
	generation VARCHAR(64) NOT NULL, first BIGINT NOT NULL, last BIGINT NOT NULL,
	reason VARCHAR(16) NOT NULL, readings BIGINT NOT NULL,
	UNIQUE (school, gateway, stream, generation, first, last, reason)
);
CREATE TABLE morning_checks (
	id INTEGER NOT NULL, school VARCHAR(63) NOT NULL, gateway VARCHAR(63) NOT NULL,
	stream VARCHAR(8) NOT NULL, generation VARCHAR(64) NOT NULL, sequence BIGINT NOT NULL,
	position INTEGER NOT NULL, time_ms BIGINT NOT NULL, device VARCHAR(256) NOT NULL,
	place VARCHAR(256) NOT NULL, site VARCHAR(16) NOT NULL, temperature_c FLOAT NOT NULL, ambient_c FLOAT,
	symptoms VARCHAR(256) NOT NULL, pseudonym VARCHAR(64), class_id VARCHAR(64), clock INTEGER NOT NULL,
	PRIMARY KEY (id), UNIQUE (school, gateway, stream, generation, sequence, position)
);
CREATE INDEX ix_morning_checks_time_ms ON morning_checks (time_ms);
INSERT INTO morning_checks VALUES(1,'example-primary','gw-1','urgent','g1',1,0,1788220862500,'station-gate',
	'gate/east','forehead',38.2,NULL,'cough,rash','7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2',1);
CREATE TABLE alerts (
	id INTEGER NOT NULL, cause VARCHAR(300) NOT NULL, kind VARCHAR(32) NOT NULL, state VARCHAR(16) NOT NULL,
	school VARCHAR(63) NOT NULL, gateway VARCHAR(63) NOT NULL, device VARCHAR(256) NOT NULL,
	place VARCHAR(256) NOT NULL, at_ms BIGINT NOT NULL, opened_ms BIGINT NOT NULL, pseudonym VARCHAR(64),
	class_id VARCHAR(64), site VARCHAR(16), value FLOAT NOT NULL, unit VARCHAR(16) NOT NULL, "limit" FLOAT,
	doubtful BOOLEAN NOT NULL, acknowledged_ms BIGINT, acknowledged_by VARCHAR(64),
	PRIMARY KEY (id), UNIQUE (cause)
);
CREATE INDEX ix_alerts_state ON alerts (state);
INSERT INTO alerts VALUES(7,'example-primary/gw-1/urgent/g1/1/fever/record:0','fever','acknowledged',
	'example-primary','gw-1','station-gate','gate/east',1788220862500,1788220863000,
	'7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2','forehead',38.2,'Cel',37.3,0,1788220900000,'console');
INSERT INTO alerts VALUES(8,'example-primary/gw-1/urgent/g1/2/smoke/reading:0','smoke','open',
	'example-primary','gw-1','smoke-301','main/301',1788220862500,1788220863000,NULL,NULL,NULL,1.0,'bool',
	NULL,0,NULL,NULL);
CREATE TABLE dead_letters (
	id INTEGER NOT NULL, at_ms BIGINT NOT NULL, school VARCHAR(63) NOT NULL, gateway VARCHAR(63) NOT NULL,
	reason VARCHAR(32) NOT NULL, detail VARCHAR(256) NOT NULL, size_bytes INTEGER NOT NULL,
	envelope BLOB NOT NULL, PRIMARY KEY (id)
);
