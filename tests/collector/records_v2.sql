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
	value FLOAT,
	unit VARCHAR(16) NOT NULL,
	"limit" FLOAT,
	doubtful BOOLEAN NOT NULL,
	acknowledged_ms BIGINT,
	acknowledged_by VARCHAR(64),
	record_type VARCHAR(32),
	PRIMARY KEY (id),
	UNIQUE (cause)
);
INSERT INTO "alerts" VALUES(1,'example-primary/gw-1/urgent/g1/1/fever/record:0','fever','open','example-primary','gw-1','station-gate','gate/east',1788220862500,1788220862500,'7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2','forehead',38.2,'Cel',37.3,0,NULL,NULL,'morning_check');
INSERT INTO "alerts" VALUES(2,'d','fever','open','example-primary','gw-1','station-gate','gate/east',1788220862500,1788220862500,NULL,NULL,'forehead',NULL,'Cel',37.3,0,NULL,NULL,'morning_check');
INSERT INTO "alerts" VALUES(3,'e','panic','open','example-primary','gw-1',NULL,'gate/east',1788220862500,1788220862500,'7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2','forehead',1.0,'Cel',37.3,0,NULL,NULL,'safety_event');
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
INSERT INTO "dead_letters" VALUES(1,1788220862500,'example-primary','gw-1','r','d',10,X'00656E76656C6F7065FF');
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
INSERT INTO "gateways" VALUES('example-primary','gw-1','cHVibGlj','01','active',1,NULL);
CREATE TABLE heart_rate_windows (
	id INTEGER NOT NULL,
	school VARCHAR(63) NOT NULL,
	gateway VARCHAR(63) NOT NULL,
	stream VARCHAR(8) NOT NULL,
	generation VARCHAR(64) NOT NULL,
	sequence BIGINT NOT NULL,
	position INTEGER NOT NULL,
	time_ms BIGINT NOT NULL,
	mean_bpm FLOAT NOT NULL,
	min_bpm FLOAT NOT NULL,
	max_bpm FLOAT NOT NULL,
	samples INTEGER NOT NULL,
	contact FLOAT,
	above_limit_s FLOAT,
	place VARCHAR(256) NOT NULL,
	pseudonym VARCHAR(64),
	class_id VARCHAR(64),
	clock INTEGER NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (school, gateway, stream, generation, sequence, position)
);
INSERT INTO "heart_rate_windows" VALUES(1,'example-primary','gw-1','urgent','g1',1,2,1788220862500,151.5,140.0,163.0,15,0.9,4.5,'sports','7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2',0);
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
	mass_g FLOAT,
	place VARCHAR(256) NOT NULL,
	pseudonym VARCHAR(64),
	class_id VARCHAR(64),
	clock INTEGER NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (school, gateway, stream, generation, sequence, position)
);
INSERT INTO "meal_records" VALUES(1,'example-primary','gw-1','urgent','g1',1,3,1788220862500,'counter-1','lunch',180.5,'canteen/1','7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2',0);
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
	temperature_c FLOAT NOT NULL,
	ambient_c FLOAT,
	symptoms VARCHAR(256) NOT NULL,
	place VARCHAR(256) NOT NULL,
	pseudonym VARCHAR(64),
	class_id VARCHAR(64),
	clock INTEGER NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (school, gateway, stream, generation, sequence, position)
);
INSERT INTO "morning_checks" VALUES(1,'example-primary','gw-1','urgent','g1',1,0,1788220862500,'station-gate','forehead',38.2,NULL,'cough,rash','gate/east','7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2',0);
CREATE TABLE order_reports (
	order_id VARCHAR(64) NOT NULL,
	report BLOB NOT NULL,
	PRIMARY KEY (order_id)
);
INSERT INTO "order_reports" VALUES('o',X'7265706F7274');
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
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
INSERT INTO "schema_version" VALUES(2);
CREATE TABLE school_days (
	start_ms BIGINT NOT NULL,
	end_ms BIGINT NOT NULL
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
INSERT INTO "streams" VALUES('example-primary','gw-1','urgent','g1',X'91920101',X'90',1788220862500);
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
CREATE INDEX ix_heart_rate_windows_pseudonym ON heart_rate_windows (pseudonym);
CREATE INDEX ix_heart_rate_windows_time_ms ON heart_rate_windows (time_ms);
CREATE INDEX ix_meal_records_time_ms ON meal_records (time_ms);
CREATE INDEX ix_meal_records_pseudonym ON meal_records (pseudonym);
CREATE INDEX ix_safety_events_pseudonym ON safety_events (pseudonym);
CREATE INDEX ix_safety_events_time_ms ON safety_events (time_ms);
CREATE INDEX ix_alerts_state ON alerts (state);
CREATE INDEX ix_class_pseudonyms_class_id ON class_pseudonyms (class_id);
CREATE INDEX ix_lessons_class_id ON lessons (class_id);
CREATE INDEX ix_erased_pseudonyms_at_ms ON erased_pseudonyms (at_ms);
COMMIT;
