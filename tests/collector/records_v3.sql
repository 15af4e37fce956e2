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
CREATE TABLE "alerts" (
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
	unit VARCHAR(16) NOT NULL, 
	"limit" FLOAT, 
	doubtful BOOLEAN NOT NULL, 
	acknowledged_ms BIGINT, 
	acknowledged_by VARCHAR(64), 
	record_type VARCHAR(32), 
	value BLOB, 
	PRIMARY KEY (id), 
	UNIQUE (cause)
);
INSERT INTO "alerts" VALUES(1,'example-primary/gw-1/urgent/g1/1/fever/record:0','fever','open','example-primary','gw-1','station-gate','gate/east',1788220862500,1788220862500,'7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2','forehead','Cel',37.3,0,NULL,NULL,'morning_check',X'00013E5F36590EC5D5A8A8DAEF6DC35142DC0D3E2F5EFB9576D7E3D5E9B8928FCCDBE0C87D05');
INSERT INTO "alerts" VALUES(2,'d','fever','open','example-primary','gw-1','station-gate','gate/east',1788220862500,1788220862500,NULL,NULL,'forehead','Cel',37.3,0,NULL,NULL,'morning_check',NULL);
INSERT INTO "alerts" VALUES(3,'e','panic','open','example-primary','gw-1',NULL,'gate/east',1788220862500,1788220862500,'7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2','forehead','Cel',37.3,0,NULL,NULL,'safety_event',X'00013CCC66FBB9EA6180AF344B30AAEA2C91BD9396BFEEF9CF1D14E5C46AD7FF8BB4813DC24E');
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
CREATE TABLE "dead_letters" (
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
INSERT INTO "dead_letters" VALUES(1,1788220862500,'example-primary','gw-1','r','d',10,X'0001010DBA3AB26540946365BF4864E22766A5AC9F239B11689F7D4BFF57B0D1385D2D117404446E');
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
CREATE TABLE "heart_rate_windows" (
	id INTEGER NOT NULL, 
	school VARCHAR(63) NOT NULL, 
	gateway VARCHAR(63) NOT NULL, 
	stream VARCHAR(8) NOT NULL, 
	generation VARCHAR(64) NOT NULL, 
	sequence BIGINT NOT NULL, 
	position INTEGER NOT NULL, 
	time_ms BIGINT NOT NULL, 
	samples INTEGER NOT NULL, 
	contact FLOAT, 
	place VARCHAR(256) NOT NULL, 
	pseudonym VARCHAR(64), 
	class_id VARCHAR(64), 
	clock INTEGER NOT NULL, 
	mean_bpm BLOB NOT NULL, 
	min_bpm BLOB NOT NULL, 
	max_bpm BLOB NOT NULL, 
	above_limit_s BLOB, 
	PRIMARY KEY (id), 
	UNIQUE (school, gateway, stream, generation, sequence, position)
);
INSERT INTO "heart_rate_windows" VALUES(1,'example-primary','gw-1','urgent','g1',1,2,1788220862500,15,0.9,'sports','7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2',0,X'00012379D2855E74E2BACE01F19FA7E5A1D91237FFF98B2407CA6BE93799CE3B9B97DD7F5E70',X'0001588019FEF1DB188A1617A00CBEFD37B2EDA4AFC460B8E7F7447387A98EC9BCDA9EA26CD9',X'0001622851B7A8EC56DB0835DF86E0D16EE2D39C9168548E28A382F4AFE460552018ACA59584',X'0001865AEC4011B27AA96F77C1C80FB50D49955B943AACC377364599EB196CAF3F8DCD286836');
CREATE TABLE lessons (
	class_id VARCHAR(64) NOT NULL,
	start_ms BIGINT NOT NULL,
	end_ms BIGINT NOT NULL,
	subject VARCHAR(64) NOT NULL,
	place VARCHAR(256) NOT NULL
);
CREATE TABLE "meal_records" (
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
	place VARCHAR(256) NOT NULL, 
	pseudonym VARCHAR(64), 
	class_id VARCHAR(64), 
	clock INTEGER NOT NULL, 
	mass_g BLOB, 
	PRIMARY KEY (id), 
	UNIQUE (school, gateway, stream, generation, sequence, position)
);
INSERT INTO "meal_records" VALUES(1,'example-primary','gw-1','urgent','g1',1,3,1788220862500,'counter-1','lunch','canteen/1','7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2',0,X'0001E36487A11C5FE7172990422DC53F3F7474ED43376F3A22FF3C459DBE6B13B3AE08A6CEA3');
CREATE TABLE "morning_checks" (
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
	ambient_c FLOAT, 
	place VARCHAR(256) NOT NULL, 
	pseudonym VARCHAR(64), 
	class_id VARCHAR(64), 
	clock INTEGER NOT NULL, 
	temperature_c BLOB NOT NULL, 
	symptoms BLOB NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (school, gateway, stream, generation, sequence, position)
);
INSERT INTO "morning_checks" VALUES(1,'example-primary','gw-1','urgent','g1',1,0,1788220862500,'station-gate','forehead',NULL,'gate/east','7K3M9PXA2QH5RT8WZ4CB6DFG1E','3-2',0,X'0001659C9C8C4718165E6C77FFF9189778215D975859535A00F59BC5E8EAE032042B70F651C4',X'0001B287DDC1B1222DEB13FC1AF11CCBC3280E1844E17DC5DF4948A66A4BD59F0C4A7FB6C9BA7C5D577CCFBBDD7A36EB1B4BF2DA9F8A8298B0D6932DC07EAEFDDA266A1E38F7E184810D739BCD568DA675EB55A900F4EF2625DF7CD51A0EEA817A89A17734BCF5F2442788631A0E3268C344C254B4F9BC0E3C43B4D2E19293806B1E269D537A3A17AB11B8BEB664E18C61419F25C22E137778D95609DE98');
CREATE TABLE "order_reports" (
	order_id VARCHAR(64) NOT NULL, 
	report BLOB NOT NULL, 
	PRIMARY KEY (order_id)
);
INSERT INTO "order_reports" VALUES('o',X'0001E7BEA11FC834CE5A89EA450FA6F177B49DCC30060679D3F90C28844D6F9A0541D0CC');
CREATE TABLE records_revision (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT records_revision_pkc PRIMARY KEY (version_num)
);
INSERT INTO "records_revision" VALUES('0003');
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
INSERT INTO "sealing_keys" VALUES(1,X'0C63A05697FD1908534033B9358DAB0B',X'000173980A7D60FA95887C10472A7177AC9CA5FA8A2D55ECF2648995D8B2B1D0A2A8602CD89A529ECC02',1795659508691);
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
CREATE INDEX ix_access_events_time_ms ON access_events (time_ms);
CREATE INDEX ix_access_events_pseudonym ON access_events (pseudonym);
CREATE INDEX ix_safety_events_pseudonym ON safety_events (pseudonym);
CREATE INDEX ix_safety_events_time_ms ON safety_events (time_ms);
CREATE INDEX ix_class_pseudonyms_class_id ON class_pseudonyms (class_id);
CREATE INDEX ix_lessons_class_id ON lessons (class_id);
CREATE INDEX ix_erased_pseudonyms_at_ms ON erased_pseudonyms (at_ms);
CREATE INDEX ix_morning_checks_pseudonym ON morning_checks (pseudonym);
CREATE INDEX ix_morning_checks_time_ms ON morning_checks (time_ms);
CREATE INDEX ix_heart_rate_windows_pseudonym ON heart_rate_windows (pseudonym);
CREATE INDEX ix_heart_rate_windows_time_ms ON heart_rate_windows (time_ms);
CREATE INDEX ix_meal_records_time_ms ON meal_records (time_ms);
CREATE INDEX ix_meal_records_pseudonym ON meal_records (pseudonym);
CREATE INDEX ix_alerts_state ON alerts (state);
COMMIT;
