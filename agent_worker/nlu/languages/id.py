"""Indonesian and Malay."""

from agent_worker.nlu.phrase_table import PhraseTable

TABLE = PhraseTable(
    danger="""
    bunuh/membunuh/bunu/menyakiti/melukai/gantung/menggantung/mengakhiri/nyakitin diri/diriku/diri_sendiri/
    diri_saya/hidupku/hidup_saya/hidup_ini
    bunuh diri
    bundir
    saya/aku/gue/gw/ku/aq ... ingin/mau/pengen/pingin/pengin/lebih_baik ... mati/meninggal/lenyap/tiada
    ingin/mau/pengen/pingin/lebih_baik mati/mati_saja/mati_aja
    tidak/gak/nggak/ga/tak/enggak/ngga/udah_gak/sudah_tidak ... ingin/mau/sanggup/kuat/pengen ... hidup/
    bangun_lagi
    akhiri/mengakhiri/akhirin ... hidup*/nyawa/semuanya
    tidak/gak/nggak/ga/tak ... ada ... alasan/gunanya/arti/guna ... hidup
    hidup* ... tidak/gak/nggak/tak ... berarti/berguna/ada_artinya
    capek/lelah/cape/bosan hidup/dengan_hidup/menjalani_hidup
    overdosis
    minum/menelan/telan ... obat/pil ... banyak/semua/tidur/satu_botol
    sayat/menyayat/iris ... nadi/tangan/pergelangan
    lebih baik ... tanpa_aku/tanpa_saya
    ingin/mau/akan/mengancam/ancam/mencoba ... membunuh ... saya/aku/ku
    lompat/loncat ... jembatan/gedung/atap
    """,
    person="""
    bicara/berbicara/ngobrol/ngomong/chat/berbincang/hubungkan/sambungkan/dihubungkan/disambungkan/bercakap/
    berhubungan/terhubung/dialihkan/alihkan/komunikasi ... dengan/sama/ke/dgn ... orang/manusia/agen/cs/
    petugas/staf/operator/admin/seseorang/karyawan/customer_service/layanan_pelanggan/atasan/manajer/
    perwakilan/pegawai/tim/rekan
    orang/manusia/cs/agen asli/beneran/sungguhan/nyata/betulan
    mau/ingin/butuh/perlu/minta/pengen/tolong/saya_mau/carikan ... cs_manusia/orang/manusia/agen/operator/cs/
    customer_service/petugas/admin_manusia ... asli/langsung/saja/dong/bukan_bot/dari_tim
    minta/butuh/perlu/mau/panggilkan/panggil cs/agen/operator/manusia/petugas/orang_asli
    bisa/bisakah/boleh/bolehkah/apakah/tolong ... orang/petugas/seseorang/staf/cs/ada_yang ... bantu/membantu/
    telepon/menelepon/menghubungi/hubungi/jawab
    hubungi/telepon/telpon saya/aku
    tidak/gak/nggak/ga/tak ... mau/ingin ... bicara/ngobrol/chat ... bot/robot/mesin
    """,
    legal="""
    gugat/menggugat/digugat/tuntut/menuntut/tuntutan/somasi
    pengacara*
    jalur/langkah/tindakan/proses/upaya hukum
    pengadilan
    lapor*/melaporkan ... polisi/ylki/bpkn/kepolisian
    perlindungan konsumen
    """,
    chargeback="""
    chargeback*
    sengketa*/dispute ... bank/transaksi/pembayaran/kartu/tagihan
    bank/kartu ... tarik_kembali/batalkan/sengketa/membatalkan/mengembalikan/tolak/menolak/dispute
    tarik kembali ... pembayaran/uang ... bank
    transaksi/tagihan/pembayaran/debit tidak_sah/tanpa_izin/tidak_saya_kenal/yang_tidak_sah
    sanggah/menyanggah ... transaksi/tagihan
    """,
    deletion="""
    hapus*/menghapus/dihapus/delete/musnahkan ... data/akun/informasi/profil ... saya/ku/aku/pribadi
    hapus*/menghapus/delete ... dataku/akunku/data_pribadi
    data/akun saya/aku/pribadi_saya ... dihapus/hapus
    hak untuk dilupakan
    """,
    negated="""
    tidak/gak/nggak/ga/tak/jangan/tanpa ... mau/perlu/ingin/butuh/usah/harus ... bicara/ngobrol/berbicara/chat/
    orang/cs/agen/manusia ... dengan/sama/ke/asli/manusia ... orang/manusia/cs/agen/siapa/petugas/operator
    tidak/gak/nggak/ga/tak ... perlu/butuh/mau ... orang/manusia/cs/agen/petugas
    tidak/gak/nggak mau/ingin mati
    mati ketawa/kelaparan/bosan/penasaran/kepanasan/kedinginan/lampu/listrik
    mati karena ... bosan/tertawa/lapar/panas
    tanaman*/bunga*/hama/kutu/serangga/gulma/daun ... mati/membunuh/bunuh
    """,
    greeting="halo|hai|hi|hello|selamat pagi|selamat siang|selamat sore|selamat malam|pagi|siang|sore|malam"
    "|assalamualaikum|assalamu alaikum|apa kabar|hallo|helo|hei|permisi|halo kak|pagi kak|salam"
    "|waalaikumsalam|met pagi|hai kak",
    thanks="atas bantuannya|bantuannya|atas bantuan anda|untuk bantuannya|terima kasih|terimakasih|makasih"
    "|makasi|trims|thanks|thx|tq|terima kasih banyak|makasih banyak|makasih ya"
    "|terima kasih atas bantuannya|makasih bantuannya|mantap|bagus|keren|hebat|sempurna|luar biasa"
    "|baik sekali|oke makasih|siap|siap makasih|mengerti|paham|kamu hebat|kamu baik|sangat membantu"
    "|itu saja|suwun|matur nuwun|sip|sip makasih|makasih kak|jelas|mantul",
    goodbye="sampai jumpa|selamat tinggal|dadah|dah|bye|sampai nanti|sampai besok|selamat malam kak"
    "|sampai ketemu lagi|selamat tidur|daa|semoga harimu menyenangkan|sampai jumpa lagi|see you",
    complaint="itu salah|salah|ini salah|jawabanmu salah|jawaban kamu salah|jawabannya salah|jawaban anda salah"
    "|jawaban salah|itu tidak benar|tidak benar|gak benar|itu tidak betul|tidak betul|bukan itu"
    "|bukan itu yang saya tanya|bukan itu yang saya tanyakan|bukan itu maksud saya"
    "|itu bukan pertanyaan saya|kamu salah|anda salah|tidak membantu|itu tidak membantu|gak membantu"
    "|nggak membantu|kamu tidak mengerti|anda tidak mengerti|gak ngerti|kamu gak ngerti"
    "|kamu tidak menjawab pertanyaan saya|anda tidak menjawab pertanyaan saya"
    "|pertanyaan saya belum dijawab|ngaco|ngawur|omong kosong|bohong|tidak masuk akal|gak nyambung"
    "|nggak nyambung|tidak nyambung|jelek|payah|tidak berguna|gak guna|keliru|bot bodoh",
    abilities="kamu bisa apa|bisa apa|kamu bisa apa saja|apa yang bisa kamu lakukan|apa yang anda bisa lakukan"
    "|apa yang bisa anda lakukan|bisa bantu apa|kamu bisa bantu apa|apa yang bisa kamu bantu|siapa kamu"
    "|kamu siapa|anda siapa|apakah kamu bot|kamu bot|kamu robot|apakah kamu manusia|ini bot|ini robot"
    "|bantuan|tolong|tolong bantu|bantu saya|tolong bantu saya|bisa bantu saya|bisa bantu"
    "|bisakah kamu membantu saya|saya butuh bantuan|butuh bantuan|saya mau tanya|mau tanya|mau nanya"
    "|saya ada pertanyaan|ada pertanyaan|boleh tanya|numpang tanya|bagaimana cara kerjanya|izin bertanya",
    presence="ada orang|ada orang di sana|ada orang gak|ada orang tidak|apakah ada orang|halo ada orang"
    "|ada yang di sana|kamu di sana|masih di sana|ada admin|min|admin|masih ada|halo ada orang di sana"
    "|ada orangnya",
    person_short="manusia|orang|cs|agen|operator|customer service|orang asli|petugas|manusia asli|layanan pelanggan"
    "|admin manusia|cs manusia",
    filler="ya|kak|bang|mas|mbak|pak|bu|min|gan|sis|banget|sekali|banyak|atas|bantuannya|semua|semuanya|dan|oke"
    "|ok|baik|sudah|udah|nih|dong|deh|kok|anda|kamu|kalian|itu|juga|lah|infonya|tolong|saja|aja|teman",
    laugh="wkwk|wkwkwk|wkwkwkwk|haha|hahaha|hehe|lol|lucu|ok|oke|hmm|hm|oh|ya|iya|baik|tes|test|anjay|xixi",
)
