//! Datagrams of many vendors' exporters, with the numbers of records that are published with them.
//! Skipped, with a line that says so, where the shared material is not there.

use seawall_wire::packet::export::Exports;
use std::path::PathBuf;

/// Files in the order in which they were sent, and the flow records in all of them. Records without
/// addresses (of options) are not told.
const CASES: [(&[&str], u32); 20] = [
    (&["netflow5_test_microtik"], 30),
    (&["netflow5_test_juniper_mx80"], 29),
    (&["netflow9_test_valid01"], 7),
    (&["netflow9_test_cisco_asa_1_tpl", "netflow9_test_cisco_asa_1_data"], 14),
    (
        &[
            "netflow9_test_cisco_asa_2_tpl_26x",
            "netflow9_test_cisco_asa_2_tpl_27x",
            "netflow9_test_cisco_asa_2_data",
        ],
        19,
    ),
    (&["netflow9_test_iptnetflow_reduced_size_encoding_tpldata260"], 12),
    (&["netflow9_test_h3c_tpl3281", "netflow9_test_h3c_data3281"], 16),
    (&["netflow9_test_h3c_netstream_varstring_tpl3281", "netflow9_test_h3c_netstream_varstring_data3281"], 1),
    (
        &[
            "netflow9_test_paloalto_81_tpl256-263",
            "netflow9_test_paloalto_81_data257_1flowset_in_large_zerofilled_packet",
        ],
        1,
    ),
    (
        &[
            "netflow9_test_fortigate_fortios_542_appid_tpl258-269",
            "netflow9_test_fortigate_fortios_542_appid_data258_262",
        ],
        17,
    ),
    (
        &[
            "netflow9_test_ubnt_edgerouter_tpl",
            "netflow9_test_ubnt_edgerouter_data1024",
            "netflow9_test_ubnt_edgerouter_data1025",
        ],
        16,
    ),
    (&["netflow9_test_streamcore_tpl_data256", "netflow9_test_streamcore_tpl_data260"], 4),
    (&["netflow9_test_huawei_netstream_tpl", "netflow9_test_huawei_netstream_data"], 1),
    (&["netflow9_test_cisco_asr9k_tpl260", "netflow9_test_cisco_asr9k_data260"], 21),
    (&["ipfix_test_openbsd_pflow_tpl", "ipfix_test_openbsd_pflow_data"], 26),
    (&["ipfix_test_ixia_tpldata256"], 1),
    (&["ipfix_test_nokia_bras_tpl", "ipfix_test_nokia_bras_data256"], 1),
    (&["ipfix_test_mikrotik_tpl", "ipfix_test_mikrotik_data258", "ipfix_test_mikrotik_data259"], 46),
    (&["ipfix_test_netscaler_tpl", "ipfix_test_netscaler_data"], 3),
    (
        &[
            "ipfix_test_vmware_vds_tpl",
            "ipfix_test_vmware_vds_data264",
            "ipfix_test_vmware_vds_data266",
            "ipfix_test_vmware_vds_data266_267",
        ],
        5,
    ),
];

#[test]
fn exports_of_many_vendors_hold_the_records_that_are_published() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/material"));
    let folder = folder.join("flow/logstash-codec-netflow");
    if !folder.is_dir() {
        return println!("skipped: no flow exports in the shared material");
    }
    for (names, expected) in CASES {
        let mut exports = Exports::default();
        let mut told = 0;
        for name in names {
            let bytes = std::fs::read(folder.join(format!("{name}.dat"))).expect("readable");
            let read = exports.read(&bytes, &mut |_| {});
            told += read.unwrap_or_else(|| panic!("{name} is an export")).told;
        }
        assert_eq!(told, expected, "{names:?}");
    }
}
